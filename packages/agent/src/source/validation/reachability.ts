import type { Finding } from '@linkspan/contract/push/validation.ts';
import { finding } from '@linkspan/contract/api/findings.ts';
import { SourceUnreachableError, describeMongoError } from '../connection.ts';

/** Why a source could not be connected to, as one finding. */
export function findUnreachable(error: unknown, uri: string): Finding {
  const message =
    error instanceof SourceUnreachableError ? error.message : describeMongoError(error, uri);
  if (/ENOTFOUND|EAI_AGAIN|querySrv/.test(message))
    return finding('SOURCE_HOST_NOT_FOUND', message);
  if (/Authentication failed|auth.*failed|not authenticated/i.test(message)) {
    return finding('SOURCE_AUTHENTICATION_FAILED', message);
  }
  if (/ENOENT|EACCES|EISDIR|PEM|bad base64|no start line/.test(message)) {
    return finding('SOURCE_CA_FILE_INVALID', message);
  }
  if (/certificate|SSL|TLS/i.test(message)) return finding('SOURCE_TLS_FAILED', message);
  return finding('SOURCE_UNREACHABLE', message);
}
