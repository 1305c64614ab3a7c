CREATE SEQUENCE "public"."prediction_ids" INCREMENT BY 100 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "prediction_keys" (
	"owner" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" text NOT NULL,
	"prediction_id" bigint NOT NULL,
	"accepted_at" timestamp (3) with time zone NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "prediction_keys_owner_key_pk" PRIMARY KEY("owner","key")
);
--> statement-breakpoint
CREATE TABLE "predictions" (
	"id" bigint NOT NULL,
	"accepted_at" timestamp (3) with time zone NOT NULL,
	"owner" text NOT NULL,
	"state" text NOT NULL,
	"result" integer,
	"label" text,
	"score" real,
	"output" jsonb,
	"problem" jsonb,
	"model_name" text NOT NULL,
	"model_version" text NOT NULL,
	"model_digest" text NOT NULL,
	"filename" text NOT NULL,
	"bytes" integer NOT NULL,
	"timings" jsonb NOT NULL,
	"trace_id" text,
	"finished_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "predictions_id_accepted_at_pk" PRIMARY KEY("id","accepted_at")
) PARTITION BY RANGE ("accepted_at");
--> statement-breakpoint
-- Rows of a month that has no partition yet; those are made ahead, so that this one is empty.
CREATE TABLE "predictions_default" PARTITION OF "predictions" DEFAULT;
--> statement-breakpoint
ALTER TABLE "model_workers" ADD COLUMN "serves" text DEFAULT 'recognition' NOT NULL;--> statement-breakpoint
ALTER TABLE "model_workers" ADD COLUMN "lanes" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
CREATE INDEX "prediction_keys_by_age" ON "prediction_keys" USING btree ("accepted_at");--> statement-breakpoint
CREATE INDEX "prediction_keys_by_prediction" ON "prediction_keys" USING btree ("prediction_id");--> statement-breakpoint
CREATE INDEX "predictions_by_owner" ON "predictions" USING btree ("owner","id");--> statement-breakpoint
CREATE INDEX "predictions_failed" ON "predictions" USING btree ("owner","id") WHERE "predictions"."state" = 'failed';--> statement-breakpoint
CREATE INDEX "predictions_by_time" ON "predictions" USING brin ("accepted_at");