DROP INDEX "job_items_uncounted";--> statement-breakpoint
DROP INDEX "jobs_open";--> statement-breakpoint
CREATE INDEX "job_items_in_order" ON "job_items" USING btree ("job_id","ordinal","stage");--> statement-breakpoint
ALTER TABLE "job_items" SET (fillfactor = 40);--> statement-breakpoint
ALTER TABLE "job_stages" SET (fillfactor = 50);--> statement-breakpoint
ALTER TABLE "jobs" SET (fillfactor = 70);
