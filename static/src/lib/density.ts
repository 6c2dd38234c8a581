// The height of the rows of long lists; kept in this browser, for all lists.

import { storedChoice } from './stored-choice'

/** The density of the lists, and how to change it. */
export const { useChoice: useDensity } = storedChoice('horolog.density', ['comfortable', 'compact'])
