CREATE TABLE "job_checkpoints" (
	"job_id" text NOT NULL,
	"stage" text NOT NULL,
	"digest" text NOT NULL,
	"cursor" jsonb,
	"found" integer DEFAULT 0 NOT NULL,
	"done" boolean DEFAULT false NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "job_checkpoints_job_id_stage_pk" PRIMARY KEY("job_id","stage")
);
--> statement-breakpoint
ALTER TABLE "task_segments" ADD COLUMN "scene" jsonb;--> statement-breakpoint
ALTER TABLE "job_items" ADD COLUMN "needs" jsonb;--> statement-breakpoint
ALTER TABLE "job_checkpoints" ADD CONSTRAINT "job_checkpoints_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;