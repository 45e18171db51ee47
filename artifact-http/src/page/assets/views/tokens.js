// When a token expires.
import { time } from '../format.js';

export const EXPIRY = [['', 'Never'], ['86400', 'In 1 day'], ['2592000', 'In 30 days'], ['31536000', 'In 365 days']];

// What the server says of a revoked token.
const REVOKED = '1970-01-01T00:00:00Z';

// Returns the member of a request for the choice of a list.
export const expiryOf = (select) => (select.value ? { expires_in: Number(select.value) } : {});

// Shows when the token of a worker or administrator expires.
export function tokenEnd({ token_expires_at: end }) {
  if (end === null) return 'never';
  return end === REVOKED ? 'revoked' : time(end);
}
