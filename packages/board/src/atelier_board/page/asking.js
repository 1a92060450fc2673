/** Questions to the board, of which none is left unanswered: what goes wrong is said in words. */

const LONGEST = 60000;  // milliseconds for an answer, after which the connection is given up: it may be dead

/** The message is for people. */
export class Unanswered extends Error {}

/** The board itself says what is wrong with a question. */
export class Refused extends Unanswered {}

/**
 * What the board tells at an address: {content, etag}; content is undefined if there is nothing new, or nothing to say.
 * Throws Unanswered. The board goes on with what takes longer than it is waited for, and has it at the next question.
 */
export async function ask(address, options = {}) {
  const limit = new AbortController(), timer = setTimeout(() => limit.abort(), LONGEST);
  try {
    const answer = await fetch(address, { cache: "no-store", signal: limit.signal, ...options });
    const content = [204, 304].includes(answer.status) ? undefined : await answer.json();
    if (answer.status >= 400) throw content.detail ? new Refused(content.detail) : new Unanswered(`Another answers than the board: status ${answer.status}.`);
    return { content, etag: answer.headers.get("ETag") };
  } catch (error) {
    throw error instanceof Unanswered ? error : new Unanswered(words(error));
  } finally {
    clearTimeout(timer);
  }
}

function words(error) {
  if (error.name === "AbortError") return `The board has not answered for ${LONGEST / 1000} seconds, as it may when it reads a large store for the first time.`;
  if (error instanceof SyntaxError) return "What came is not an answer of the board, or not a whole one.";
  return "The board does not answer. It may have been ended.";
}
