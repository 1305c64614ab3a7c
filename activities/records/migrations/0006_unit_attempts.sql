CREATE TABLE "unit_attempts" (
	"id" text PRIMARY KEY NOT NULL,
	"attempts" integer NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
