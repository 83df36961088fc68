// Tells which prompts of AdvBench, JADE and SimpleSafetyTests name minors. Those rows are not kept:
// nobody should have to read them, and the classifier gains little from so few.
const MINORS =
  /\b(child|kid|minors?\b|under-?aged?|teen|infant|toddler|juvenile|adolescent|(school ?)?(girl|boy)s?\b|p(a)?edoph)|未成年|儿童|幼[儿童女年]|孩|少年|少女|婴|小学|中学|学童/i;

export const namesMinors = (text: string) => MINORS.test(text);
