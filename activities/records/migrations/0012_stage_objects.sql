ALTER TABLE "job_checkpoints" ADD COLUMN "objects" jsonb;--> statement-breakpoint
ALTER TABLE "job_stages" ADD COLUMN "objects" jsonb;