CREATE TABLE "job_cutout_tiles" (
	"job_id" text NOT NULL,
	"survey" text NOT NULL,
	"tile" text NOT NULL,
	"band" text NOT NULL,
	"planes" jsonb NOT NULL,
	CONSTRAINT "job_cutout_tiles_job_id_survey_tile_band_pk" PRIMARY KEY("job_id","survey","tile","band")
);
--> statement-breakpoint
CREATE TABLE "job_cutouts" (
	"job_id" text NOT NULL,
	"ordinal" integer NOT NULL,
	"facts" jsonb NOT NULL,
	"seconds" real NOT NULL,
	CONSTRAINT "job_cutouts_job_id_ordinal_pk" PRIMARY KEY("job_id","ordinal")
);
--> statement-breakpoint
ALTER TABLE "job_cutout_tiles" ADD CONSTRAINT "job_cutout_tiles_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_cutouts" ADD CONSTRAINT "job_cutouts_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;