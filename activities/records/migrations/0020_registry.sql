CREATE TABLE "model_aliases" (
	"name" text NOT NULL,
	"alias" text NOT NULL,
	"version" text NOT NULL,
	"canary_version" text,
	"canary_share" double precision,
	"previous" jsonb,
	"changed_by" text NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "model_aliases_name_alias_pk" PRIMARY KEY("name","alias")
);
--> statement-breakpoint
CREATE TABLE "model_changes" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_by" text NOT NULL,
	"action" text NOT NULL,
	"name" text NOT NULL,
	"version" text,
	"alias" text,
	"target" jsonb
);
--> statement-breakpoint
CREATE TABLE "model_confirmations" (
	"worker" text NOT NULL,
	"serves" text NOT NULL,
	"name" text NOT NULL,
	"version" text NOT NULL,
	"digest" text NOT NULL,
	"lanes" integer DEFAULT 0 NOT NULL,
	"own" boolean DEFAULT false NOT NULL,
	"state" text NOT NULL,
	"problem" jsonb,
	"seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "model_confirmations_worker_serves_name_version_pk" PRIMARY KEY("worker","serves","name","version")
);
--> statement-breakpoint
CREATE TABLE "model_defaults" (
	"serves" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"changed_by" text NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "registered_versions" (
	"name" text NOT NULL,
	"version" text NOT NULL,
	"digest" text NOT NULL,
	"sha256" text NOT NULL,
	"bytes" bigint NOT NULL,
	"card" jsonb NOT NULL,
	"object" text NOT NULL,
	"serves" text[] NOT NULL,
	"state" text DEFAULT 'candidate' NOT NULL,
	"problem" jsonb,
	"wanted" boolean DEFAULT false NOT NULL,
	"own" boolean DEFAULT false NOT NULL,
	"trials" integer DEFAULT 0 NOT NULL,
	"try_until" timestamp (3) with time zone,
	"registered_by" text NOT NULL,
	"registered_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "registered_versions_name_version_pk" PRIMARY KEY("name","version"),
	CONSTRAINT "registered_versions_failed" CHECK (not ("registered_versions"."wanted" and "registered_versions"."state" = 'failed'))
);
--> statement-breakpoint
ALTER TABLE "predictions" ADD COLUMN "alias" text;--> statement-breakpoint
ALTER TABLE "predictions" ADD COLUMN "canary" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "model_aliases" ADD CONSTRAINT "model_aliases_version" FOREIGN KEY ("name","version") REFERENCES "public"."registered_versions"("name","version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "model_aliases" ADD CONSTRAINT "model_aliases_canary" FOREIGN KEY ("name","canary_version") REFERENCES "public"."registered_versions"("name","version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "model_changes_by_name" ON "model_changes" USING btree ("name","alias","id");--> statement-breakpoint
CREATE INDEX "registered_versions_by_file" ON "registered_versions" USING btree ("sha256");