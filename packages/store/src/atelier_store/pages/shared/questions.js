/** Questions to whoever sent the page, of which none is left unanswered: what goes wrong is said in words. */

const LONGEST = 60000;  // milliseconds for an answer, after which the connection is given up: it may be dead

/** The message is for people. */
export class Unanswered extends Error {}

/** Who is asked says what is wrong with a question, in problem details. */
export class Refused extends Unanswered {
  constructor(problem, status) {
    super(problem.detail);
    Object.assign(this, { problem, status });
  }
}

/**
 * A function that asks: who answers, why they may not (gone), and why it may take long (late), in words. It gives what is told at an
 * address: {content, etag}; content is undefined if there is nothing new, or nothing to say. It throws Unanswered.
 */
export const asker = (who, { gone, late = "" }) => async (address, options = {}) => {
  const limit = new AbortController(), timer = setTimeout(() => limit.abort(), LONGEST);
  try {
    const answer = await fetch(address, { cache: "no-store", signal: limit.signal, ...options });
    const content = [204, 304].includes(answer.status) ? undefined : await answer.json();
    if (answer.status >= 400) throw typeof content?.detail === "string" ? new Refused(content, answer.status) : new Unanswered(`Another answers than the ${who}: status ${answer.status}.`);
    return { content, etag: answer.headers.get("ETag") };
  } catch (error) {
    if (error instanceof Unanswered) throw error;
    if (error.name === "AbortError") throw new Unanswered(`The ${who} has not answered for ${LONGEST / 1000} seconds${late}.`);
    if (error instanceof SyntaxError) throw new Unanswered(`What came is not an answer of the ${who}, or not a whole one.`);
    throw new Unanswered(`The ${who} does not answer. ${gone}`);
  } finally {
    clearTimeout(timer);
  }
};

/** What went wrong between a question and what is shown of its answer, on a page that asks again. */
export function inWords(error) {
  if (error instanceof Refused) return error.message;
  return error instanceof Unanswered ? `${error.message} This page asks again.` : `This page cannot show what it was told: ${error}.`;
}
