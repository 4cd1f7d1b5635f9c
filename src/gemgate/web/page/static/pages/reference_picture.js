// Pictures that an edit starts from: kept here so that the gallery can hand one to the playground.
let waiting = [];

/** Hand pictures over: { name, blob }. */
export const hand = (pictures) => (waiting = pictures);
/** Take what was handed over; it is gone from here then. */
export const take = () => {
  const taken = waiting;
  waiting = [];
  return taken;
};
