CREATE TABLE "recognition_results" (
	"job_id" text NOT NULL,
	"segment_id" integer NOT NULL,
	"ordinal" integer NOT NULL,
	"owner" text NOT NULL,
	"label" text NOT NULL,
	"score" real NOT NULL,
	"x" real NOT NULL,
	"y" real NOT NULL,
	"width" real NOT NULL,
	"height" real NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "recognition_results_job_id_segment_id_ordinal_pk" PRIMARY KEY("job_id","segment_id","ordinal")
);
--> statement-breakpoint
CREATE TABLE "task_segments" (
	"job_id" text NOT NULL,
	"segment_id" integer NOT NULL,
	"owner" text NOT NULL,
	"filename" text NOT NULL,
	"source_uri" text NOT NULL,
	"width" integer NOT NULL,
	"height" integer NOT NULL,
	"image_uri" text,
	"annotated_uri" text,
	"result_uri" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "task_segments_job_id_segment_id_pk" PRIMARY KEY("job_id","segment_id")
);
--> statement-breakpoint
CREATE TABLE "tasks" (
	"job_id" text PRIMARY KEY NOT NULL,
	"media" text NOT NULL,
	"segments" integer NOT NULL,
	"model_name" text,
	"model_version" text,
	"model_digest" text,
	"score_threshold" real NOT NULL
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"prefix" text NOT NULL,
	"hash" text NOT NULL,
	"owner" text NOT NULL,
	"group_name" text,
	"role" text NOT NULL,
	"priority" smallint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "api_keys_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "job_attempts" (
	"job_id" text NOT NULL,
	"run" integer NOT NULL,
	"activity" text NOT NULL,
	"attempt" integer NOT NULL,
	"stage" text NOT NULL,
	"claim" bigint NOT NULL,
	"worker" text NOT NULL,
	"outcome" text,
	"queue_ms" bigint DEFAULT 0 NOT NULL,
	"work_ms" bigint,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"problem" jsonb,
	CONSTRAINT "job_attempts_job_id_run_activity_attempt_pk" PRIMARY KEY("job_id","run","activity","attempt")
);
--> statement-breakpoint
CREATE TABLE "job_events" (
	"job_id" text NOT NULL,
	"id" bigint NOT NULL,
	"type" text NOT NULL,
	"data" jsonb NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "job_events_job_id_id_pk" PRIMARY KEY("job_id","id")
);
--> statement-breakpoint
CREATE TABLE "job_items" (
	"job_id" text NOT NULL,
	"stage" text NOT NULL,
	"ordinal" integer NOT NULL,
	"key" text NOT NULL,
	"input" jsonb NOT NULL,
	"input_digest" text,
	"state" text DEFAULT 'pending' NOT NULL,
	"reached" smallint DEFAULT -1 NOT NULL,
	"counted" smallint DEFAULT -1 NOT NULL,
	"result_uri" text,
	"sha256" text,
	"bytes" bigint,
	"files" jsonb,
	"run" integer DEFAULT 0 NOT NULL,
	"claim" bigint DEFAULT 0 NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"deaths" integer DEFAULT 0 NOT NULL,
	"problem" jsonb,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "job_items_job_id_stage_ordinal_pk" PRIMARY KEY("job_id","stage","ordinal"),
	CONSTRAINT "job_items_key" UNIQUE("job_id","key","stage")
);
--> statement-breakpoint
CREATE TABLE "job_logs" (
	"job_id" text NOT NULL,
	"id" bigserial NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"run" integer NOT NULL,
	"stage" text,
	"level" text NOT NULL,
	"attempt" integer,
	"line" text NOT NULL,
	"trace_id" text,
	CONSTRAINT "job_logs_job_id_id_pk" PRIMARY KEY("job_id","id")
);
--> statement-breakpoint
CREATE TABLE "job_stages" (
	"job_id" text NOT NULL,
	"name" text NOT NULL,
	"ordinal" smallint NOT NULL,
	"unit" text NOT NULL,
	"weight" real NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"done" integer DEFAULT 0 NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"total" integer,
	"resumed_from" integer DEFAULT 0 NOT NULL,
	"queue_ms" bigint DEFAULT 0 NOT NULL,
	"work_ms" bigint DEFAULT 0 NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "job_stages_job_id_name_pk" PRIMARY KEY("job_id","name")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"state" text NOT NULL,
	"owner" text NOT NULL,
	"group_name" text,
	"role" text NOT NULL,
	"priority" smallint NOT NULL,
	"idempotency_key" text,
	"fingerprint" text,
	"input" jsonb NOT NULL,
	"pinned" jsonb,
	"source_job_id" text,
	"rerun_of" text,
	"run" integer DEFAULT 0 NOT NULL,
	"claims" bigint DEFAULT 0 NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL,
	"dispatched" boolean DEFAULT false NOT NULL,
	"waiting" text,
	"warnings" integer DEFAULT 0 NOT NULL,
	"problem" jsonb,
	"result" jsonb,
	"cancel_requested_at" timestamp (3) with time zone,
	"cancel_reason" text,
	"cancel_dispatched" boolean DEFAULT false NOT NULL,
	"delete_requested_at" timestamp (3) with time zone,
	"deleted_at" timestamp (3) with time zone,
	"traceparent" text,
	"trace_id" text,
	"log_bytes" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"results_expire_at" timestamp (3) with time zone,
	"results_removed_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"id" text PRIMARY KEY NOT NULL,
	"owner" text NOT NULL,
	"filename" text NOT NULL,
	"key" text NOT NULL,
	"bytes" bigint NOT NULL,
	"part_bytes" bigint NOT NULL,
	"multipart_id" text,
	"state" text DEFAULT 'open' NOT NULL,
	"etag" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"completed_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "recognition_results" ADD CONSTRAINT "recognition_results_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_segments" ADD CONSTRAINT "task_segments_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_attempts" ADD CONSTRAINT "job_attempts_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_events" ADD CONSTRAINT "job_events_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_items" ADD CONSTRAINT "job_items_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_logs" ADD CONSTRAINT "job_logs_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_stages" ADD CONSTRAINT "job_stages_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "recognition_by_label" ON "recognition_results" USING btree ("owner","label","job_id" DESC NULLS LAST,"segment_id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "recognition_by_label_score" ON "recognition_results" USING btree ("owner","label","score" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "task_segments_by_owner" ON "task_segments" USING btree ("owner","job_id" DESC NULLS LAST,"segment_id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "job_items_uncounted" ON "job_items" USING btree ("job_id","stage") WHERE "job_items"."counted" < case when "job_items"."state" = 'failed' then 32767 else "job_items"."reached" end;--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_owner_idempotency" ON "jobs" USING btree ("owner","idempotency_key") WHERE "jobs"."idempotency_key" is not null;--> statement-breakpoint
CREATE INDEX "jobs_by_owner" ON "jobs" USING btree ("owner","id" collate "C" desc) WHERE "jobs"."delete_requested_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_by_owner_state" ON "jobs" USING btree ("owner","state","id" collate "C" desc) WHERE "jobs"."delete_requested_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_by_state" ON "jobs" USING btree ("state","id" collate "C" desc) WHERE "jobs"."delete_requested_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_by_owner_kind" ON "jobs" USING btree ("owner","kind","id" collate "C" desc) WHERE "jobs"."delete_requested_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_by_kind" ON "jobs" USING btree ("kind","id" collate "C" desc) WHERE "jobs"."delete_requested_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_open" ON "jobs" USING btree ("state","updated_at") WHERE "jobs"."state" in ('receiving', 'queued', 'running', 'cancelling');--> statement-breakpoint
CREATE INDEX "jobs_expiring" ON "jobs" USING btree ("results_expire_at") WHERE "jobs"."results_expire_at" is not null and "jobs"."results_removed_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_deleting" ON "jobs" USING btree ("delete_requested_at") WHERE "jobs"."delete_requested_at" is not null and "jobs"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "jobs_source_job" ON "jobs" USING btree ("source_job_id") WHERE "jobs"."source_job_id" is not null;--> statement-breakpoint
CREATE INDEX "uploads_by_state" ON "uploads" USING btree ("state","created_at");