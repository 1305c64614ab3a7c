CREATE TABLE "estimate_keys" (
	"kind" text NOT NULL,
	"key" text NOT NULL,
	"runs" bigint NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "estimate_keys_kind_key_pk" PRIMARY KEY("kind","key")
);
--> statement-breakpoint
CREATE TABLE "estimate_runs" (
	"kind" text NOT NULL,
	"key" text NOT NULL,
	"slot" smallint NOT NULL,
	"nth" bigint NOT NULL,
	"features" jsonb NOT NULL,
	"seconds" double precision NOT NULL,
	"bytes" double precision,
	"estimated" jsonb,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "estimate_runs_kind_key_slot_pk" PRIMARY KEY("kind","key","slot")
);
