CREATE TABLE "prediction_pictures" (
	"prediction_id" bigint PRIMARY KEY NOT NULL,
	"accepted_at" timestamp (3) with time zone NOT NULL,
	"content_type" text NOT NULL,
	"made" boolean DEFAULT false NOT NULL,
	"doomed_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE INDEX "prediction_pictures_by_age" ON "prediction_pictures" USING btree ("accepted_at") WHERE "prediction_pictures"."doomed_at" is null;--> statement-breakpoint
CREATE INDEX "prediction_pictures_unmade" ON "prediction_pictures" USING btree ("accepted_at") WHERE not "prediction_pictures"."made" and "prediction_pictures"."doomed_at" is null;--> statement-breakpoint
CREATE INDEX "prediction_pictures_doomed" ON "prediction_pictures" USING btree ("doomed_at") WHERE "prediction_pictures"."doomed_at" is not null;