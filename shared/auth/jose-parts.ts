import { decodeJwt, decodeProtectedHeader, errors, importJWK, jwtVerify, SignJWT } from 'jose'

/** What the app uses of jose. This file is loaded on its own, so that the bundler leaves out the rest of the library. */
export const joseParts = { decodeJwt, decodeProtectedHeader, errors, importJWK, jwtVerify, SignJWT }
