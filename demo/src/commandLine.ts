import { runLinkspan } from '@linkspan/testkit/processes.ts';
import { command, indented } from './show.ts';

/** Runs `linkspan` commands as a user types them, and shows them with their answers. */
export class CommandLine {
  readonly #environment: Record<string, string> = {};

  /** What a profile of `linkspan config` would hold. */
  use(values: Readonly<Record<string, string>>): void {
    Object.assign(this.#environment, values);
  }

  /** Runs a command and shows what it prints. */
  async show(...args: string[]): Promise<string> {
    command(args);
    const { stdout } = await this.#run(args);
    indented(stdout);
    return stdout;
  }

  /** Runs a command and reads its answer as JSON; secrets in it are not shown. */
  async read<T>(...args: string[]): Promise<T> {
    command(args);
    const { stdout } = await this.#run([...args, '-o', 'json']);
    return JSON.parse(stdout) as T;
  }

  /** @throws {Error} with what the command said if it did not succeed */
  async #run(args: readonly string[]): Promise<{ stdout: string }> {
    const { code, stdout, stderr } = await runLinkspan(args, { env: this.#environment });
    if (code !== 0) throw new Error(`linkspan ${args.join(' ')} ended with ${code}: ${stderr}`);
    return { stdout };
  }
}
