/** What a command ends with. Also in the help of `linkspan` and in docs/cli.md. */
export const EXIT = {
  success: 0,
  /** A request was refused or not answered, or something broke. */
  failure: 1,
  /** A flag, a variable, a file or a missing value of the caller's. */
  usage: 2,
  /** `agent`: the link was removed or the link-token refused. Start again with a new link-token. */
  linkRefused: 3,
  /** What was asked about did not go well: a watched migration, a validation, a connection test. */
  unsuccessful: 4,
  /** Ctrl-C at a question, or a second signal to `server` or `agent`. */
  interrupted: 130,
} as const;

export const EXIT_CODE_HELP = `
Exit codes:
  0    success
  1    a request was refused or not answered, or something broke
  2    wrong usage: a flag, a variable, a file or a missing value
  3    agent: the link was removed or the link-token refused; a new link-token is needed
  4    what was watched, validated or tested did not go well
  130  interrupted`;

/** The caller has to change something in what was typed; the message says what. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command did what it should, and the answer is that something did not go well. */
export class UnsuccessfulError extends Error {
  override readonly name = 'UnsuccessfulError';
}

/** Ctrl-C at a question: nothing was done, and nothing needs to be said. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}
