import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process of the load that runs a file beside this one, and ends with this process. */
export class Child implements Disposable {
  readonly #process: ChildProcess;
  readonly #name: string;

  constructor(file: string, args: readonly string[] = []) {
    this.#name = file;
    const path = fileURLToPath(new URL(file, import.meta.url));
    // In a session of its own: Linux weighs sessions against each other before what is in them.
    this.#process = fork(path, [], { execArgv: [...args], detached: true });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  send(message: object): void {
    this.#process.send(message);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#process.on('message', listener);
  }

  /** @throws {Error} if it ends instead */
  next<T>(): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const onMessage = (message: T): void => resolve(message);
    const onExit = (code: number | null): void =>
      reject(new Error(`${this.#name} ended with exit code ${code}`));
    this.#process.once('message', onMessage).once('exit', onExit);
    return promise.finally(() => this.#process.off('message', onMessage).off('exit', onExit));
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}
