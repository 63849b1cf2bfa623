import type {
  CreateServiceAccountSecret,
  ServiceAccountSecret,
} from '@linkspan/contract/api/serviceAccounts.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import { MAX_SECRETS } from '../domain/serviceAccount.ts';
import { timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import * as secrets from '../store/serviceAccountSecrets.ts';
import { insertSecret, toSecret } from './clientSecrets.ts';
import { actorOf, type OperationContext } from './context.ts';
import { keepAnOwner } from './owners.ts';
import { load } from './serviceAccounts.ts';

/** Makes another secret of an account; the answer alone has it. */
export async function create(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  clientId: string,
  body: CreateServiceAccountSecret,
): Promise<ServiceAccountSecret> {
  return context.store.transaction(async (tx) => {
    await load(tx, orgId, clientId);
    if ((await secrets.list(tx, clientId)).length >= MAX_SECRETS) {
      throw apiError('MAX_SERVICE_ACCOUNT_SECRETS_REACHED', clientId, `${MAX_SECRETS}`);
    }
    const made = await insertSecret(tx, orgId, clientId, body.secretExpiresAfterHours);
    await events.record(tx, {
      type: 'SERVICE_ACCOUNT_SECRET_ADDED',
      orgId,
      actor: actorOf(principal),
      targetId: clientId,
      detail: { secretId: made.row.id, expiresAt: made.row.expires_at },
    });
    return toSecret(made.row, made.secret);
  });
}

/** Removes a secret; the access tokens that were issued for it end with it. */
export async function remove(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  clientId: string,
  secretId: string,
): Promise<void> {
  await context.store.transaction(async (tx) => {
    await load(tx, orgId, clientId);
    const now = timestamp();
    const own = await secrets.list(tx, clientId);
    if (!own.some((secret) => secret.id === secretId)) {
      throw apiError('SERVICE_ACCOUNT_SECRET_NOT_FOUND', secretId, clientId);
    }
    if (!own.some((secret) => secret.id !== secretId && secret.expires_at > now)) {
      await keepAnOwner(tx, orgId, clientId);
    }
    await secrets.remove(tx, clientId, secretId);
    await events.record(tx, {
      type: 'SERVICE_ACCOUNT_SECRET_DELETED',
      orgId,
      actor: actorOf(principal),
      targetId: clientId,
      detail: { secretId },
    });
  });
}
