import { MAX_DESCRIPTION } from '@linkspan/contract/api/apiKeys.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';

/**
 * Judges what Atlas has codes of its own for in a request about an API key, before the body is
 * checked against its schema; leaves the rest to that.
 * @throws {ApiError} API_KEY_REQUIRES_DESCRIPTION, INVALID_API_KEY_DESC, MISSING_API_KEY_ROLES
 */
export function checkKeyRequest(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const { desc, roles } = body as { readonly desc?: unknown; readonly roles?: unknown };
  if (typeof desc === 'string') {
    if (desc.trim() === '') {
      throw attributeError('API_KEY_REQUIRES_DESCRIPTION', 'desc', 'is empty', []);
    }
    if (desc.length > MAX_DESCRIPTION) {
      const description = `has more than ${MAX_DESCRIPTION} characters`;
      throw attributeError('INVALID_API_KEY_DESC', 'desc', description, [`${MAX_DESCRIPTION + 1}`]);
    }
  }
  if (!Array.isArray(roles)) return body;
  // A null among them says nothing: specified.
  const given: unknown[] = roles.filter((role) => role !== null);
  if (given.length === 0) throw apiError('MISSING_API_KEY_ROLES');
  return { ...body, roles: given };
}
