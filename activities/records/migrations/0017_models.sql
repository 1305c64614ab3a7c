CREATE TABLE "model_versions" (
	"name" text NOT NULL,
	"version" text NOT NULL,
	"digest" text NOT NULL,
	"family" text NOT NULL,
	"guessed" boolean NOT NULL,
	"understood" text NOT NULL,
	"labels" jsonb NOT NULL,
	"input" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "model_versions_name_version_digest_pk" PRIMARY KEY("name","version","digest")
);
--> statement-breakpoint
CREATE TABLE "model_workers" (
	"worker" text PRIMARY KEY NOT NULL,
	"model_name" text,
	"model_version" text,
	"model_digest" text,
	"problem" jsonb,
	"seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
