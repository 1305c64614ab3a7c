/** Letters as lines, so that a text looks the same whatever fonts a host has. */
import type { Segment } from './strokes.ts';

/**
 * Lines of a glyph, apart by blanks; each is a sequence of points of two digits, column and row. Capitals and digits fill rows 0 to 6, small letters
 * begin in row 2 and may hang to 8.
 */
const glyphs: ReadonlyMap<string, string> = new Map(
  `0 103041453616050110
1 112026 1636
2 01103041420646
3 004022324345361605
4 36300444
5 400002324345361605
6 3010010516364543321203
7 004016
8 103041423313020110 130405163645443313
9 1636454130100103143443
. 0606
, 0607
: 0202 0606
′ 2012
″ 1002 3022
° 10203122120110
- 0333
+ 0444 2226
/ 0630
( 10010516
) 00111506
= 0232 0434
_ 0646
! 0004 0606
" 0002 2022
# 1016 3036 0242 0444
$ 413010010213334445361605 2026
% 0640 0010110100 3545463635
& 4612112031320405162644
' 0002
* 2125 0244 0442
; 0202 0607
< 410345
> 014305
? 01103041422324 2626
@ 36160501103041443424232242
[ 20000626
\\ 0036
] 00202606
^ 022042
\` 0012
{ 20101203141626
| 0006
} 00101223141606
~ 03123443
A 0602204246 0444
B 06003041423303 3344453606
C 4130100105163645
D 002042442606 0006
E 40000646 0333
F 400006 0333
G 41301001051636454323
H 0006 4046 0343
I 0020 1016 0626
J 3035261605
K 0006 400346
L 000646
M 0600234046
N 06004640
O 103041453616050110
P 06003041423303
Q 103041453616050110 2446
R 06003041423303 2346
S 413010010213334445361605
T 0040 2026
U 000516364540
V 002640
W 0016233640
X 0046 4006
Y 0023 402326
Z 00400646
a 12223336 3414051636
b 00062635332202
c 321203051636
d 30361605031232
e 043433221203051636
f 30201116 0232
g 32372808 321203051636
h 0006 0312223336
i 0206 0000
j 121708 1010
k 0006 320436
l 000516
m 0206 03122326 23324346
n 0206 0312223336
o 122233352616050312
p 0208 022233352606
q 3238 321203051636
r 0206 031222
s 3212031424352606
t 101526 0232
u 0205162635 3236
v 022642
w 0216233642
x 0236 3206
y 0226 4218
z 02320636`
    .split('\n')
    .map((line) => [line.slice(0, 1), line.slice(2)] as const),
);

/** A box: what a text has in place of a character that has no glyph, so that it is seen. */
const unknown = '0040460600';

/** The first character of a text that has no glyph, and is no blank; undefined where all have one. */
export const withoutGlyph = (text: string): string | undefined =>
  [...text].find((character) => character !== ' ' && !glyphs.has(character));

/** Rows from the top of a capital to its base. */
const capital = 6;
const blank = 3;
const gap = 2;

export interface Text {
  readonly segments: readonly Segment[];
  /** Pixels. */
  readonly width: number;
}

/** A text whose first capital's upper left corner is at x, y, `height` pixels high; what has no glyph is a box. */
export function textStrokes(text: string, x: number, y: number, height: number): Text {
  const unit = height / capital;
  const segments: Segment[] = [];
  let at = x;
  for (const character of text) {
    const lines = (glyphs.get(character) ?? (character === ' ' ? '' : unknown))
      .split(' ')
      .filter((line) => line.length >= 4);
    let width = lines.length === 0 ? blank : 0;
    for (const line of lines) {
      const points = [...line.matchAll(/(\d)(\d)/g)].map(
        ([, column, row]) => [Number(column), Number(row)] as const,
      );
      for (let i = 1; i < points.length; i++) {
        const [from, to] = [points[i - 1]!, points[i]!];
        segments.push([at + from[0] * unit, y + from[1] * unit, at + to[0] * unit, y + to[1] * unit]);
      }
      width = Math.max(width, ...points.map(([column]) => column));
    }
    at += (width + gap) * unit;
  }
  return { segments, width: Math.max(0, at - x - gap * unit) };
}
