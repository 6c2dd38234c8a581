// What a page takes of the network.

/** Counts from now on: `bytes` of answers with their heads and of events, `requests` by the operation that they name. */
export async function count(page) {
  const taken = { bytes: 0, requests: {} }
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  session.on('Network.loadingFinished', ({ encodedDataLength }) => {
    taken.bytes += encodedDataLength
  })
  session.on('Network.webSocketFrameReceived', ({ response }) => {
    taken.bytes += response.payloadData.length
  })
  page.on('request', (request) => {
    const operation = /(?:query|mutation)\s+(\w+)/.exec(request.postData() ?? '')?.[1]
    if (operation) taken.requests[operation] = (taken.requests[operation] ?? 0) + 1
  })
  return taken
}

/** What it takes in a time in which nobody touches it. */
export async function takenIn(millis, taken) {
  const before = structuredClone(taken)
  await new Promise((resume) => setTimeout(resume, millis))
  const requests = Object.entries(taken.requests).map(([name, times]) => [name, times - (before.requests[name] ?? 0)])
  return { bytes: taken.bytes - before.bytes, requests: Object.fromEntries(requests.filter(([, times]) => times > 0)) }
}
