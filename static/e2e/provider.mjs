// A provider of OpenID Connect on loopback, for the browser: it knows one person, and asks nothing.

import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'

const CLIENT_ID = 'horolog'

/** Starts it; `person` has the claims of the ID token, and `refuses` makes it refuse the next sign-in. */
export async function startProvider(person) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const codes = new Map()
  const provider = { person, refuses: false, issuer: '', stop: () => server.close() }
  const routes = {
    '/.well-known/openid-configuration': (answer) =>
      json(answer, {
        issuer: provider.issuer,
        authorization_endpoint: `${provider.issuer}/authorize`,
        token_endpoint: `${provider.issuer}/token`,
        jwks_uri: `${provider.issuer}/keys`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
      }),
    '/keys': (answer) =>
      json(answer, { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', use: 'sig', alg: 'RS256' }] }),
    '/authorize': (answer, query) => {
      const code = randomUUID()
      codes.set(code, { nonce: query.get('nonce'), challenge: query.get('code_challenge') })
      const back = new URL(query.get('redirect_uri'))
      back.searchParams.set('state', query.get('state'))
      if (provider.refuses) back.searchParams.set('error', 'access_denied')
      else back.searchParams.set('code', code)
      answer.writeHead(302, { location: back.href }).end()
    },
    '/token': (answer, query) => {
      const known = codes.get(query.get('code'))
      const challenge = createHash('sha256').update(query.get('code_verifier')).digest('base64url')
      if (known?.challenge !== challenge) return json(answer, { error: 'invalid_grant' }, 400)
      codes.delete(query.get('code'))
      const now = Math.floor(Date.now() / 1_000)
      const claims = { iss: provider.issuer, aud: CLIENT_ID, iat: now, exp: now + 300, nonce: known.nonce }
      const idToken = signed({ ...claims, ...provider.person }, privateKey)
      return json(answer, { access_token: randomUUID(), token_type: 'Bearer', expires_in: 300, id_token: idToken })
    },
  }
  const server = createServer(async (request, answer) => {
    const { pathname, searchParams } = new URL(request.url, 'http://provider')
    const body = request.method === 'POST' ? await text(request) : ''
    const route = routes[pathname]
    if (route) route(answer, body ? new URLSearchParams(body) : searchParams)
    else answer.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  provider.issuer = `http://127.0.0.1:${server.address().port}`
  return provider
}

/** The settings of a node at `url` for it: members of `ops` are operators. */
export const settingsFor = (provider, url) => [
  '--openid-issuer',
  provider.issuer,
  '--openid-client-id',
  CLIENT_ID,
  '--openid-redirect-url',
  `${url}/session/openid/callback`,
  '--openid-name',
  'Example',
  '--openid-grant',
  'ops=operator',
]

function signed(claims, key) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const content = `${part({ alg: 'RS256', typ: 'JWT', kid: 'k' })}.${part(claims)}`
  return `${content}.${sign('sha256', Buffer.from(content), key).toString('base64url')}`
}

function json(answer, value, status = 200) {
  answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function text(request) {
  let body = ''
  for await (const part of request) body += part
  return body
}
