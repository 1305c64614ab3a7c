CREATE TABLE "job_files" (
	"job_id" text NOT NULL,
	"ordinal" integer NOT NULL,
	"path" text NOT NULL,
	"uri" text NOT NULL,
	"bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"crc32" bigint,
	"content_type" text NOT NULL,
	CONSTRAINT "job_files_job_id_ordinal_pk" PRIMARY KEY("job_id","ordinal")
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "files" integer;--> statement-breakpoint
ALTER TABLE "job_files" ADD CONSTRAINT "job_files_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "uploads_open" ON "uploads" USING btree ("owner") WHERE "uploads"."state" = 'open';