/** How often `letter` stands in `text`, whatever its case. */
export function countLetter(text: string, letter: string): number {
  return text.toLowerCase().split(letter.toLowerCase()).length - 1;
}
