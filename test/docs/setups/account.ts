/** The account of the user whom server code is about to erase or change. */
export declare const user: { _id: import('mongodb').ObjectId; id: string; email: string }
