import { readFileSync } from 'node:fs';

/**
 * Loaded by Node ahead of a process under test: its `Date` is off by the milliseconds that a file
 * holds, which may change while it runs. Timers and `performance.now()` stay right, as they do where
 * a machine's clock is set.
 */
const LOOK_MS = 100;

const file = process.env['TEST_CLOCK_FILE'];
let offsetMs = 0;

function look(): void {
  if (file !== undefined) offsetMs = Number(readFileSync(file, 'utf8'));
}

const RealDate = globalThis.Date;

globalThis.Date = new Proxy(RealDate, {
  construct(target, args, newTarget) {
    const given = args.length === 0 ? [RealDate.now() + offsetMs] : args;
    return Reflect.construct(target, given, newTarget) as object;
  },
  apply: () => new Date().toString(),
  get(target, name, receiver) {
    if (name === 'now') return () => RealDate.now() + offsetMs;
    return Reflect.get(target, name, receiver) as unknown;
  },
});

look();
setInterval(look, LOOK_MS).unref();
