/** Questions to the board, which goes on with what takes longer than it is waited for, and has it at the next question. */

import { asker } from "./questions.js";

export const ask = asker("board", { gone: "It may have been ended.", late: ", as it may when it reads a large store for the first time" });
