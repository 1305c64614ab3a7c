/** Header cards (FITS Standard 4.0, section 4): what readers, writers and the WCS have in common. */

/** `undefined`: a keyword without a value. A complex number is its text. Integers beyond 2^53 are bigint. */
export type CardValue = string | number | bigint | boolean | undefined;

export interface Card {
  /** Upper case without trailing blanks; of a HIERARCH card the words after it, one blank between; '' for a blank keyword. */
  readonly keyword: string;
  readonly value: CardValue;
  /** Of COMMENT, HISTORY and blank keywords: their text. */
  readonly comment: string;
  /** As it was read: 80 characters, or several times as many with its CONTINUE cards. A writer copies it as it is. */
  readonly raw?: string;
}

/** What the WCS needs of a header. */
export interface HeaderValues {
  /** As problems name it. */
  readonly where?: string;
  /** Of the first card of that keyword; undefined also where there is none. */
  value(keyword: string): CardValue;
  /** All keywords, in order, repeated ones repeatedly. */
  keywords(): Iterable<string>;
}
