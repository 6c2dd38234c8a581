// The sign-in at a provider of OpenID Connect: the browser leaves the dashboard, and comes back to its root, signed in,
// or to `/#/sign-in?error=…`.

import { BASE } from '@/api/base'

/** Where the node sends the browser to the provider. */
export const PROVIDER_ADDRESS = `${BASE}session/openid`

/** The page that was open before the sign-in; in this tab only. */
const RETURN = 'horolog.return'
const FAULT = /^#\/sign-in\?(.*)$/

/** What went wrong, by the code in the address. */
const FAULTS: Record<string, string> = {
  'not-started': 'This sign-in was not started in this browser, or it is used already. Start it again.',
  expired: 'The sign-in took longer than 10 minutes. Start it again.',
  denied: 'The provider refused the sign-in.',
  token: 'The answer of the provider is not valid. The log of the node has the reason.',
  'no-role': 'The provider knows you, but you have no role here. An admin can give you one.',
  disabled: 'Your user is disabled. An admin can enable it.',
  'too-many-users': 'The cluster has its largest number of users. An admin can delete some.',
  busy: 'Too many sign-ins at once. Start it again in a moment.',
  provider: 'The provider does not answer. Start the sign-in again.',
  unavailable: 'The database does not answer, so that nothing can be checked: try again.',
}

/** The fault in an address, in words; the address is then that of the root. Null without one. */
export function takeProviderFault(): string | null {
  const parameters = FAULT.exec(location.hash)?.[1]
  if (parameters === undefined) return null
  history.replaceState(history.state, '', location.pathname + location.search)
  const code = new URLSearchParams(parameters).get('error') ?? ''
  // Others can write an address: its text is never shown.
  return (Object.hasOwn(FAULTS, code) && FAULTS[code]) || 'The sign-in failed. Start it again.'
}

/** Keeps the address of the open page for the return. */
export function rememberPage() {
  sessionStorage.setItem(RETURN, location.pathname + location.search)
}

/** Opens that page again, if the browser is back at the root; called before the first route. */
export function returnToPage() {
  const page = sessionStorage.getItem(RETURN)
  if (page === null || location.pathname !== BASE) return
  sessionStorage.removeItem(RETURN)
  // Addresses of the dashboard only: two slashes would name another host. A fault stays for the sign-in page.
  if (page.startsWith(BASE) && !page.startsWith('//')) history.replaceState(null, '', page + location.hash)
}
