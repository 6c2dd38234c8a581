// The address of the node that served this page: a proxy may have put a path before it.

/** `/`, or the path of the proxy with a slash at its end. */
export const BASE = document.querySelector<HTMLMetaElement>('meta[name=base]')?.content ?? '/'

/** The API by POST, and by WebSocket. */
export const GRAPHQL = `${BASE}graphql`
export const GRAPHQL_SOCKET = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}${GRAPHQL}`
