export { SimgptError, errorCodes } from './errors.js';
export type { ErrorCode } from './errors.js';
