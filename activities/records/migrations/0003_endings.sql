ALTER TABLE "jobs" ADD COLUMN "ending_claim" bigint;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "results_purged_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "jobs_purging" ON "jobs" USING btree ("results_removed_at") WHERE "jobs"."results_removed_at" is not null and "jobs"."results_purged_at" is null;