"""The contract: every object and every call, in .proto files to read and the modules made from them."""
