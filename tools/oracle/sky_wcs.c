/*
 * What wcslib itself makes of a header: the second opinion beside astropy, which has its own code for SIP and another version of wcslib.
 *
 *   cc -O1 -I/usr/include/wcslib sky_wcs.c -o wcs -lwcs -lm
 *   wcs HEADER ALTERNATE < pixels > places
 *
 * HEADER: one card a line. Reads pairs of pixel coordinates that begin with 1, writes longitude and latitude, and the pixel that wcslib makes of those.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wcs.h>
#include <wcsfix.h>
#include <wcshdr.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  FILE *file = fopen(argv[1], "r");
  if (!file) return 2;
  static char header[80 * 4000], line[256];
  int cards = 0;
  while (fgets(line, sizeof line, file) && cards < 3999) {
    line[strcspn(line, "\n")] = 0;
    snprintf(line + strlen(line), sizeof line - strlen(line), "%80s", "");
    memcpy(header + 80 * cards++, line, 80);
  }
  memcpy(header + 80 * cards, "END", 3);
  memset(header + 80 * cards + 3, ' ', 77);
  int rejected, count, places[27];
  struct wcsprm *all;
  if (wcspih(header, cards + 1, WCSHDR_all, 0, &rejected, &count, &all)) return 3;
  if (wcsidx(count, &all, places)) return 3;
  int at = places[argv[2][0] ? argv[2][0] - 'A' + 1 : 0];
  if (at < 0) return 3;
  struct wcsprm *wcs = all + at;
  int fixed[NWCSFIX];
  wcsfix(0, NULL, wcs, fixed);
  if (wcsset(wcs)) { wcsperr(wcs, ""); return 4; }
  double p[16], im[16], phi[1], theta[1], world[16], back[16];
  int status[16];
  while (scanf("%lf %lf", p, p + 1) == 2) {
    for (int i = 2; i < 16; i++) p[i] = 1;
    int bad = wcsp2s(wcs, 1, 16, p, im, phi, theta, world, status);
    double lon = bad ? NAN : world[wcs->lng], lat = bad ? NAN : world[wcs->lat];
    int lost = bad || wcss2p(wcs, 1, 16, world, phi, theta, im, back, status);
    printf("%.17g %.17g %.17g %.17g\n", lon, lat, lost ? NAN : back[0], lost ? NAN : back[1]);
  }
  return 0;
}
