// The only place that reads the wall clock; everything else takes `now` as an argument.
export type Clock = { readonly now: () => number }; // milliseconds since 1970
export const systemClock: Clock = { now: () => Date.now() };
/** Whole Unix seconds, the API's unit of time. */
export const unixSeconds = (milliseconds: number) => Math.floor(milliseconds / 1000);
