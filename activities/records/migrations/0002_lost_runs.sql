CREATE TABLE "lost_run_confirmations" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"confirmed_by" text NOT NULL
);
--> statement-breakpoint
CREATE INDEX "jobs_open_by_id" ON "jobs" USING btree ("id") WHERE "jobs"."state" in ('receiving', 'queued', 'running', 'cancelling');