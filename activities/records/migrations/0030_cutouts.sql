CREATE TABLE "cutout_files" (
	"digest" text PRIMARY KEY NOT NULL,
	"unit" text NOT NULL,
	"state" text NOT NULL,
	"bytes" bigint,
	"facts" jsonb,
	"problem" jsonb,
	"timings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"begun_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "cutouts" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"owner" text NOT NULL,
	"state" text NOT NULL,
	"survey" text NOT NULL,
	"query" jsonb NOT NULL,
	"ra" double precision,
	"dec" double precision,
	"digest" text,
	"shared" boolean DEFAULT false NOT NULL,
	"bytes" bigint,
	"seconds" real NOT NULL,
	"estimated_seconds" real,
	"coverage" real,
	"timings" jsonb NOT NULL,
	"problem" jsonb,
	"trace_id" text,
	"accepted_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "cutout_files_by_expiry" ON "cutout_files" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "cutouts_by_owner" ON "cutouts" USING btree ("owner","id");--> statement-breakpoint
CREATE INDEX "cutouts_by_time" ON "cutouts" USING brin ("accepted_at");