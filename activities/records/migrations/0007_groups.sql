ALTER TABLE "job_items" ADD COLUMN "group_name" text;--> statement-breakpoint
ALTER TABLE "job_stages" ADD COLUMN "items_of" text;