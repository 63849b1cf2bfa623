import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBrowser, NO_BROWSER, startBrowser } from '@linkspan/testkit/browser.ts';
import { runLinkspan, startServer } from '@linkspan/testkit/processes.ts';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

const OPERATION = '#operations-Organizations-listOrgs';

/** Whatever the page's policy refuses to load or run is kept in `window.violations`. */
const RECORD_VIOLATIONS = `
  window.violations = [];
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    window.violations.push(violatedDirective + ' ' + blockedURI));
`;

async function startOwned(resources: AsyncDisposableStack) {
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-documentation-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const place = ['--data-dir', join(directory, 'server')];
  const made = await runLinkspan(['init', 'Documented', ...place, '-o', 'json']);
  const { organization, apiKey } = JSON.parse(made.stdout) as {
    readonly organization: { readonly id: string };
    readonly apiKey: { readonly publicKey: string; readonly privateKey: string };
  };
  const server = resources.use(await startServer({ args: [...place, '--port', '0'] }));
  return { url: (server.ready as { url: string }).url, organization, apiKey };
}

/** Calls the operation as a reader of the page does. @returns the answer's body */
async function execute(page: Page): Promise<string> {
  const operation = page.locator(OPERATION);
  await operation.getByRole('button', { name: 'Execute', exact: true }).click();
  const answer = operation.locator('.live-responses-table .highlight-code').first();
  return (await answer.textContent()) ?? '';
}

it('reads the API, and tries it with Digest and with Bearer', async (context) => {
  const executable = findBrowser();
  if (executable === null) return context.skip(NO_BROWSER);
  await using resources = new AsyncDisposableStack();
  const { url, organization, apiKey } = await startOwned(resources);
  const browser = await startBrowser(executable);
  resources.defer(() => browser.close());
  const { publicKey: username, privateKey: password } = apiKey;
  const keyed = await browser.newContext({ httpCredentials: { username, password } });
  keyed.setDefaultTimeout(10_000);
  const page = await keyed.newPage();
  await page.addInitScript(RECORD_VIOLATIONS);
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`)) elsewhere.push(request.url());
  });
  const failures: string[] = [];
  page.on('pageerror', (error) => failures.push(error.message));

  await page.goto(`${url}/api/linkspan/v1/docs`);
  await page.getByText('Organizations', { exact: true }).first().click();
  await page.locator(OPERATION).click();
  await page.locator(OPERATION).getByRole('button', { name: 'Try it out' }).click();
  // The browser itself answers the challenge, as it does for everybody who types the keys in.
  expect(await execute(page)).toContain(organization.id);

  expect(failures).toEqual([]);
  expect(elsewhere.filter((other) => !other.startsWith('data:'))).toEqual([]);
  expect(await page.evaluate('window.violations')).toEqual([]);
});
