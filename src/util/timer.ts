/** What setTimeout takes: more than 31 bits of milliseconds (24.8 days) fire at once. */
const LONGEST = 2 ** 31 - 1

/** Seconds as a delay in milliseconds; the longest that there is for those beyond it. */
export function timerDelay(seconds: number): number {
  return Math.min(seconds * 1000, LONGEST)
}
