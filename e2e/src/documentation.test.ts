import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBrowser, NO_BROWSER, startBrowser } from '@linkspan/testkit/browser.ts';
import { api } from '@linkspan/testkit/digestClient.ts';
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

/** Of a service account that is made for it. */
async function accessToken(
  url: string,
  orgId: string,
  key: { readonly publicKey: string; readonly privateKey: string },
): Promise<string> {
  await using owner = api(url, key);
  const { body: account } = await owner.post<{
    readonly clientId: string;
    readonly secrets: readonly { readonly secret: string }[];
  }>(`/api/atlas/v2/orgs/${orgId}/serviceAccounts`, {
    version: '2024-08-05',
    body: {
      name: 'reader',
      description: 'reads the documentation',
      roles: ['ORG_MEMBER'],
      secretExpiresAfterHours: 8,
    },
  });
  const client = `${account.clientId}:${account.secrets[0]?.secret ?? ''}`;
  const answer = await fetch(`${url}/api/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(client).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  return ((await answer.json()) as { readonly access_token: string }).access_token;
}

/** Enters a token as a reader of the page does. */
async function authorize(page: Page, token: string): Promise<void> {
  await page.locator('.scheme-container').getByRole('button', { name: 'Authorize' }).click();
  const form = page.locator('.auth-container', { hasText: 'bearer (http, Bearer)' });
  await form.locator('input').fill(token);
  await form.getByRole('button', { name: 'Apply credentials' }).click();
  await page.locator('.modal-ux .close-modal').click();
}

/**
 * Calls the operation as a reader of the page does.
 * @returns what the page shows of the answer, and the scheme of the credentials that it sent itself
 */
async function execute(page: Page): Promise<{ readonly shown: string; readonly scheme: string }> {
  const operation = page.locator(OPERATION);
  const succeeded = page.waitForResponse(
    (answer) => new URL(answer.url()).pathname.endsWith('/orgs') && answer.status() === 200,
  );
  await operation.getByRole('button', { name: 'Execute', exact: true }).click();
  const { authorization = '' } = await (await succeeded).request().allHeaders();
  const answer = operation.locator('.live-responses-table .highlight-code').first();
  return {
    shown: (await answer.textContent()) ?? '',
    scheme: authorization.split(' ')[0] ?? '',
  };
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
  keyed.setDefaultTimeout(60_000);
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
  const byDigest = await execute(page);
  expect(byDigest.shown).toContain(organization.id);
  expect(byDigest.scheme).toBe('');

  await keyed.setHTTPCredentials(null);
  await authorize(page, await accessToken(url, organization.id, apiKey));
  const byBearer = await execute(page);
  expect(byBearer.shown).toContain(organization.id);
  expect(byBearer.scheme).toBe('Bearer');

  expect(failures).toEqual([]);
  expect(elsewhere.filter((other) => !other.startsWith('data:'))).toEqual([]);
  expect(await page.evaluate('window.violations')).toEqual([]);
});
