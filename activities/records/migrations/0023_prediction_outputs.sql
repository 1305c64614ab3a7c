CREATE TABLE "prediction_outputs" (
	"prediction_id" bigint NOT NULL,
	"ordinal" integer NOT NULL,
	"name" text NOT NULL,
	"datatype" text NOT NULL,
	"shape" jsonb NOT NULL,
	"data" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "prediction_outputs_prediction_id_ordinal_pk" PRIMARY KEY("prediction_id","ordinal")
);
--> statement-breakpoint
CREATE INDEX "prediction_outputs_by_age" ON "prediction_outputs" USING btree ("created_at");