import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** What a test without a browser says. */
export const NO_BROWSER =
  'needs Chromium: name it in LINKSPAN_TEST_CHROMIUM or have it on the PATH';

/** Path of the Chromium of `LINKSPAN_TEST_CHROMIUM`, else of the one on the PATH, else null. */
export function findBrowser(): string | null {
  const named = process.env['LINKSPAN_TEST_CHROMIUM'];
  if (named !== undefined && named !== '') return named;
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  const candidates = directories.flatMap((directory) => NAMES.map((name) => join(directory, name)));
  return candidates.find(isExecutable) ?? null;
}

/** A headless Chromium. Close it, or the process does not end. */
export function startBrowser(executablePath: string): Promise<Browser> {
  // Its sandbox refuses root, whom containers run tests as; the pages are our own.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
