// Where the node that served this page is: a proxy may have put a path before its addresses.

/** `/`, or that path with a slash at its end. */
export const BASE = document.querySelector<HTMLMetaElement>('meta[name=base]')?.content ?? '/'

/** Its API by POST, and by WebSocket. */
export const GRAPHQL = `${BASE}graphql`
export const GRAPHQL_SOCKET = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}${GRAPHQL}`
