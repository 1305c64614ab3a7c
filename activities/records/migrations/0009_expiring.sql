DROP INDEX "jobs_expiring";--> statement-breakpoint
DROP INDEX "jobs_purging";--> statement-breakpoint
CREATE INDEX "jobs_expiring" ON "jobs" USING btree ("results_expire_at") WHERE "jobs"."results_expire_at" is not null and "jobs"."results_removed_at" is null and "jobs"."delete_requested_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_purging" ON "jobs" USING btree ("results_removed_at") WHERE "jobs"."results_removed_at" is not null and "jobs"."results_purged_at" is null and "jobs"."delete_requested_at" is null;