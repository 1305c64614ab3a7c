CREATE TABLE "job_predictions" (
	"job_id" text NOT NULL,
	"ordinal" integer NOT NULL,
	"result" integer,
	"label" text,
	"score" real,
	"output" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "job_predictions_job_id_ordinal_pk" PRIMARY KEY("job_id","ordinal")
);
--> statement-breakpoint
ALTER TABLE "job_predictions" ADD CONSTRAINT "job_predictions_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;