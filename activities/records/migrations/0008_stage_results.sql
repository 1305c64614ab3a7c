ALTER TABLE "job_stages" ADD COLUMN "input" jsonb;--> statement-breakpoint
ALTER TABLE "job_stages" ADD COLUMN "result" jsonb;--> statement-breakpoint
ALTER TABLE "job_stages" ADD COLUMN "digest" text;--> statement-breakpoint
ALTER TABLE "job_stages" ADD COLUMN "alive_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "job_stages" ADD COLUMN "moved_at" timestamp (3) with time zone;