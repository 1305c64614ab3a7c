CREATE TABLE "survey_cells" (
	"survey" text NOT NULL,
	"cell" integer NOT NULL,
	"file" bigint NOT NULL,
	CONSTRAINT "survey_cells_survey_cell_file_pk" PRIMARY KEY("survey","cell","file")
);
--> statement-breakpoint
CREATE TABLE "survey_checksums" (
	"survey" text NOT NULL,
	"uri" text NOT NULL,
	"etag" text NOT NULL,
	"block" integer NOT NULL,
	"sums" "bytea" NOT NULL,
	"datasum" boolean NOT NULL,
	"verified_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "survey_checksums_survey_uri_pk" PRIMARY KEY("survey","uri")
);
--> statement-breakpoint
CREATE TABLE "survey_files" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "survey_files_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"survey" text NOT NULL,
	"tile" text NOT NULL,
	"band" text NOT NULL,
	"plane" text NOT NULL,
	"uri" text NOT NULL,
	"etag" text NOT NULL,
	"bytes" bigint NOT NULL,
	"hdu" integer NOT NULL,
	"asked" text NOT NULL,
	"width" integer NOT NULL,
	"height" integer NOT NULL,
	"pixel_scale" double precision NOT NULL,
	"footprint" double precision[] NOT NULL,
	CONSTRAINT "survey_files_of" UNIQUE("survey","tile","band","plane")
);
--> statement-breakpoint
CREATE TABLE "surveys" (
	"name" text PRIMARY KEY NOT NULL,
	"digest" text NOT NULL,
	"definition" jsonb NOT NULL,
	"state" text DEFAULT 'indexing' NOT NULL,
	"run" integer DEFAULT 1 NOT NULL,
	"tiles" integer DEFAULT 0 NOT NULL,
	"files" integer DEFAULT 0 NOT NULL,
	"area" double precision DEFAULT 0 NOT NULL,
	"broken_count" integer DEFAULT 0 NOT NULL,
	"broken" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"begun_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"indexed_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "survey_cells" ADD CONSTRAINT "survey_cells_file_survey_files_id_fk" FOREIGN KEY ("file") REFERENCES "public"."survey_files"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "survey_checksums" ADD CONSTRAINT "survey_checksums_survey_surveys_name_fk" FOREIGN KEY ("survey") REFERENCES "public"."surveys"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "survey_files" ADD CONSTRAINT "survey_files_survey_surveys_name_fk" FOREIGN KEY ("survey") REFERENCES "public"."surveys"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "survey_cells_of_file" ON "survey_cells" USING btree ("file");--> statement-breakpoint
CREATE INDEX "survey_files_by_uri" ON "survey_files" USING btree ("survey","uri");