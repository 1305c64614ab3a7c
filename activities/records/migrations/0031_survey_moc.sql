ALTER TABLE "surveys" ADD COLUMN "moc_order" integer;--> statement-breakpoint
ALTER TABLE "surveys" ADD COLUMN "moc" jsonb;